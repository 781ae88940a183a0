"""The program, by its command line, against the real PostgreSQL and PostgREST: `make real`."""
