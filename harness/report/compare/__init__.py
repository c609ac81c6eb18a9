"""Two things side by side: settings scene by scene, and a report with an earlier one."""
