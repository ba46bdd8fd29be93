"""What naive verifiers get wrong, one test per number, each a whole visit against a host that behaves so.

    file                         pitfalls
    test_pitfalls_about_us.py    1 2 3 12 26 27 28 29 30 33
    test_pitfalls_wire.py        5 6 10 11 34 35 36 37 38
    test_pitfalls_accept_all.py  7 8 9 13 14 24 31
    test_pitfalls_hosts.py       15 16 17 18 19 20 40
    test_pitfalls_time.py        4 21 22 23 25 32 39
    test_peer_rules.py           what peers are measured by: rules 1 to 14, 22, 23

`tests/house/test_pitfalls.py` sees to it that no number is without a test.
"""
