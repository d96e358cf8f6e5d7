"""Figure with one panel per cluster, which shows the trends of its genes."""
