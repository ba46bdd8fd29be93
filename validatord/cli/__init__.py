"""The command line: one module per group of commands, plus reading and writing of lists."""
