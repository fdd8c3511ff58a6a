"""Devices: finding, building for, feeding and judging them. Knows nothing of formats or ciphers."""
