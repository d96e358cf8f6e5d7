# Fit every gene of data.csv with mgcv's "cr", "cc" and "cp" bases and write results/: README.md explains the columns.
# Run from this folder: Rscript fit_mgcv.R   (four minutes)
#
# As for the Gaussian golden numbers beside this folder, the smoothing parameter is the root of the criterion's
# derivative, found from mgcv's fits at given parameters; what mgcv's own search returns is kept beside it (free_*).

suppressMessages(library(mgcv))

K <- 10
BASES <- list(  # `free`: dimension of what the penalty leaves free
  cr = list(knots = seq(0, 1, length.out = K), m = NA, free = 2),
  cc = list(knots = seq(0, 1, length.out = K), m = NA, free = 1),
  cp = list(knots = seq(0, 1, length.out = K + 1), m = c(2, 2), free = 1)
)
GRID <- data.frame(t = seq(0, 1, length.out = 50))
POINTS <- data.frame(t = c(-0.3, -0.05, 0, 0.02, 1 / 9, 0.15, 0.25, 1 / 3, 0.5, 0.61, 0.777, 8 / 9, 0.95, 1, 1.04, 1.5))
LOG_SP <- seq(log(1e-4), log(1e12), length.out = 41)
CONTROL <- gam.control(
  epsilon = 1e-12, maxit = 500,
  newton = list(conv.tol = 1e-10, maxNstep = 5, maxSstep = 2, maxHalf = 60, use.svd = FALSE)
)

data <- read.csv("data.csv")
genes <- grep("^y", names(data), value = TRUE)
n <- nrow(data)

write_gz <- function(frame, path) {
  frame[] <- lapply(frame, function(column) {
    if (is.double(column)) sub("^ +", "", formatC(column + 0, digits = 15, format = "g", width = 1)) else column
  })
  connection <- gzfile(path, "wb", compression = 9)
  write.csv(frame, connection, row.names = FALSE, quote = FALSE)
  close(connection)
}

fit_gene <- function(cells, basis, sp = NULL) {
  suppressWarnings(gam(y ~ s(t, bs = basis, k = K, m = BASES[[basis]]$m), data = cells, weights = w, method = "REML",
                       sp = sp, knots = list(t = BASES[[basis]]$knots), control = CONTROL))
}

at <- function(log_sp, cells, basis) {
  fit <- fit_gene(cells, basis, exp(log_sp))
  fit$given_sp <- exp(log_sp)
  fit
}

# Derivative with respect to log(sp) of the REML score profiled over the scale
gradient <- function(fit, free) {
  smooth <- fit$smooth[[1]]
  b <- coef(fit)[smooth$first.para:smooth$last.para]
  penalty <- fit$given_sp * drop(b %*% smooth$S[[1]] %*% b)
  ((n - free) * penalty / (fit$deviance + penalty) - (sum(fit$edf) - free)) / 2
}

dir.create("results", showWarnings = FALSE)
rows <- list()
for (basis in names(BASES)) {
  free <- BASES[[basis]]$free
  curves <- list(t = GRID$t)
  for (gene in genes) {
    cells <- data.frame(t = data$t, y = data[[gene]], w = data$w)
    scan <- lapply(LOG_SP, at, cells = cells, basis = basis)
    scores <- vapply(scan, function(fit) fit$gcv.ubre[[1]], 0)
    slopes <- vapply(scan, gradient, 0, free = free)
    curved <- vapply(scan, function(fit) sum(fit$edf), 0) > free + 1e-3  # beyond, a slope is rounding error
    best <- which.min(scores)
    last <- length(LOG_SP)
    at_infinity <- sum(scan[[best]]$edf) < free + 1e-5                   # no finite optimum
    log_sp <- if (at_infinity) LOG_SP[last] else
      uniroot(function(x) gradient(at(x, cells, basis), free), LOG_SP[best + c(-1, 1)], tol = 1e-13)$root
    fit <- at(log_sp, cells, basis)
    trend <- predict(fit, GRID, type = "response", se.fit = TRUE)
    curves[[paste0("fit_", gene)]] <- as.numeric(trend$fit)
    curves[[paste0("se_", gene)]] <- as.numeric(trend$se.fit)
    free_fit <- fit_gene(cells, basis)
    test <- summary(fit)$s.table
    rows[[length(rows) + 1]] <- data.frame(
      gene = gene, basis = basis, edf = sum(fit$edf),
      edf_smooth = test[1, "edf"], ref_df = test[1, "Ref.df"], F = test[1, "F"], pvalue = test[1, "p-value"],
      scale = fit$sig2, deviance = fit$deviance, null_deviance = fit$null.deviance,
      deviance_explained = summary(fit)$dev.expl, score = fit$gcv.ubre[[1]],
      lambda = exp(log_sp) / fit$smooth[[1]]$S.scale, sp = exp(log_sp), at_infinity = at_infinity,
      gradient = if (at_infinity) NA_real_ else gradient(fit, free),
      n_optima = sum(slopes[-last] < 0 & slopes[-1] >= 0 & curved[-last]) + (slopes[sum(curved)] < 0),
      free_sp = free_fit$sp[[1]], free_edf = sum(free_fit$edf), free_scale = free_fit$sig2,
      free_converged = free_fit$outer.info$conv == "full convergence",
      free_gap = max(abs(predict(free_fit, GRID) - trend$fit)) / sqrt(fit$sig2)
    )
  }
  write_gz(as.data.frame(curves), file.path("results", paste0("curves_", basis, ".csv.gz")))

  # basis and penalty as constructed: no centring constraint, no rescaling
  smooth <- smoothCon(s(t, bs = basis, k = K, m = BASES[[basis]]$m), data["t"], list(t = BASES[[basis]]$knots),
                      absorb.cons = FALSE, scale.penalty = FALSE)[[1]]
  write_gz(data.frame(t = POINTS$t, X = PredictMat(smooth, POINTS)),
           file.path("results", paste0("design_", basis, ".csv.gz")))
  write_gz(data.frame(S = smooth$S[[1]]), file.path("results", paste0("penalty_", basis, ".csv.gz")))
}
table <- do.call(rbind, rows)
write_gz(table, file.path("results", "genes.csv.gz"))
writeLines(c(R.version.string, paste("mgcv", packageVersion("mgcv"))), file.path("results", "versions.txt"))
options(width = 200)
print(table[c("gene", "basis", "edf", "sp", "at_infinity", "gradient", "n_optima", "free_sp", "free_converged",
              "free_gap")], digits = 4)
