"""Faults of servers, networks, clocks and people, each against a whole validatord, and a judge after each.

`make test` runs the short set, `make chaos` everything; docs/reliability.md says what each fault proves.
"""
