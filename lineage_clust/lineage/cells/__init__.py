"""Further properties of the cells: covariates, offsets, donors, conditions and labels."""
