"""The command `fewbits`."""
