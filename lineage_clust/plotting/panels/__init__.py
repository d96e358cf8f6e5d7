"""One panel per cluster with the trends of its genes."""
