"""Scripts for developers: what `make docs` and `make site` run, and checks of the code. Not in the wheel."""
