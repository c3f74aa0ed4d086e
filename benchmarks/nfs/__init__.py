"""Two hosts on one NFS, in a kernel of their own: run.sh begins it, guest.sh is the guest, host.py is a host."""
