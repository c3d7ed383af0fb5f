"""The command line `starvec`."""
