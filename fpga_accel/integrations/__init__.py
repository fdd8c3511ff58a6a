"""Bridges to other packages, each a module behind its extra, imported by nobody but the programs that want it."""
