"""Non-Gaussian families: penalised iterations over nodes, which are the cells or those of a grid."""
