"""Scripts for developers: what `make docs`, `make site` and CI run, and checks of the code. Not part of the wheel."""
