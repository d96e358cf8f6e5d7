"""Elements shared by figures: colours, labels, layout, strips of covariates, time axes."""
