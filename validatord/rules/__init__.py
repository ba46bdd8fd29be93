"""Pure knowledge: what replies mean, what follows, risk, suggestions, score, policy; no I/O."""
