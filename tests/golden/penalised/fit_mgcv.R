# P-values of smooths that are penalised as a whole, by mgcv's summary.gam, to pvalues.csv.
# Run from this folder: Rscript fit_mgcv.R

suppressMessages(library(mgcv))
cells <- read.csv("data.csv")
knots <- list(cyclic = list(t = seq(0, 1, length.out = 11)), order1 = list(t = (-3:12) / 9))
found <- NULL
for (gene in grep("value|count", names(cells), value = TRUE)) for (weighted in c(FALSE, TRUE)) for (smooth in names(knots)) {
  cells$y <- cells[[gene]]
  cells$weight <- if (weighted) cells$w else 1
  formula <- if (smooth == "cyclic") y ~ s(t, bs = "cc", k = 11) else y ~ s(t, bs = "ps", k = 12, m = c(2, 1))
  family <- if (grepl("count", gene)) poisson() else gaussian()
  fit <- gam(formula, data = cells, weights = weight, family = family, knots = knots[[smooth]], method = "REML")
  found <- rbind(found, data.frame(gene, weighted, smooth, edf = sum(fit$edf), pvalue = summary(fit)$s.table[1, 4]))
}
write.csv(format(found, digits = 10), "pvalues.csv", row.names = FALSE, quote = FALSE)
