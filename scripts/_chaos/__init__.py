"""Parts of chaos.py: the trial, the coordinator that is killed, who kills, and what must hold afterwards."""
