"""The standard compression modules' shapes on the shared Accelerator: ``import fpga_accel.dropin.gzip as gzip``.

docs/dropin.md says of each function what runs it and in what it differs.
"""
