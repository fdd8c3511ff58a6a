"""Files of the age format, version 1 (c2sp.org/age): encrypted for recipients or with a passphrase.

`Accelerator.seal` and `Accelerator.unseal` make and open them in memory, `fpga_accel.seal_stream` and
`fpga_accel.unseal_stream` in bounded memory. Stock ``age`` and its kin read what is made here, and the reverse.

Examples
--------
>>> import fpga_accel
>>> from fpga_accel import age
>>> identity = age.new_identity()
>>> sealed = fpga_accel.seal(b"text", recipients=[age.recipient_of(identity)])
>>> fpga_accel.unseal(sealed, identities=[identity])
b'text'
"""

from __future__ import annotations

from fpga_accel.age.recipients import new_identity, recipient_of

__all__ = ["new_identity", "recipient_of"]
