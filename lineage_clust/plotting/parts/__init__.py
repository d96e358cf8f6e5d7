"""Parts shared by figures: colours, labels, layout, strips, time axes."""
