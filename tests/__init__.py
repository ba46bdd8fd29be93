"""The tests, by tier: house, unit, integration, acceptance, interop, bench."""
