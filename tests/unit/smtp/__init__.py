"""Tests of validatord.smtp against scripted hosts on loopback."""
