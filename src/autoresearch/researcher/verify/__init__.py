"""Reproduction of others' results: run what somebody claims with our own fixed files, compare, and
say so in the claim's thread."""
