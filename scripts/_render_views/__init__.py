"""The files of render_views.py."""
