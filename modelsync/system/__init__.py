"""The disks and devices of this machine."""
