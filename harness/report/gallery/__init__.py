"""The gallery of an experiment: a page of the same scenes for every setting, and a folder for each trial."""
