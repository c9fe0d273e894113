"""What surrounds a scan: voltage holds and who they belong to."""
