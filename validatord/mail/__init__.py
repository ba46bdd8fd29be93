"""Words of e-mail and of judging, as frozen values: no I/O, no clock."""
