"""From YAML to an Experiment: settings, grid, search and report blocks, each checked with its place in the file."""
