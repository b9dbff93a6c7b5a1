"""What `tools/stress.py` tries: hostile files, kills, lost machines; and what of it went wrong."""
