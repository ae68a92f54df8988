"""What several benchmarks need: running commands, reading real photos and clips, timing, plotting, writing results."""
