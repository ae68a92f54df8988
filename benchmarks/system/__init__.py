"""The program as a whole: indexing speed, memory, start-up, the server, kills, damaged files, other programs."""
