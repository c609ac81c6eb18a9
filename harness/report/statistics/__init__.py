"""Intervals of means, and tests of paired differences. Seeds are the replicates."""

from harness.report.statistics.intervals import Interval, mean_interval, two_way_interval
from harness.report.statistics.paired import effect_size, holm, seeds_needed, sign_flip, smallest_p
from harness.report.statistics.summaries import interquartile_mean, probability_of_improvement

__all__ = ["Interval", "effect_size", "holm", "interquartile_mean", "mean_interval", "probability_of_improvement",
           "seeds_needed", "sign_flip", "smallest_p", "two_way_interval"]
