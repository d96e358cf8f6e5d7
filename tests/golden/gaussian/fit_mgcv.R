# Fit every gene of data.csv with mgcv and write results/: README.md explains the columns.
# Run from this folder: Rscript fit_mgcv.R   (five minutes)
#
# mgcv's own search for the smoothing parameter stops where the score no longer changes in double precision, which is
# 1e-7 away from the optimum for some genes, and it keeps the first local optimum it meets. Golden numbers for a
# tolerance of 1e-8 need better. So the smoothing parameter is found here from mgcv's fits at *given* parameters: a scan
# for the global optimum of mgcv's criterion, then the root of the criterion's derivative, then mgcv's fit there.
# What the unaided search returned is kept beside it (columns free_*).

suppressMessages(library(mgcv))

K <- 10                                   # basis functions
ORDER <- 2                                # of the difference penalty, also its null space's dimension
KNOTS <- list(t = (-3:10) / 7)            # uniform cubic B-spline knots whose domain is exactly [0, 1]
GRID <- data.frame(t = seq(0, 1, length.out = 50))
LOG_SP <- seq(log(16) - 13, log(1e12), length.out = 41)
CONTROL <- gam.control(
  epsilon = 1e-12, mgcv.tol = 1e-12, mgcv.half = 60, maxit = 500,
  newton = list(conv.tol = 1e-10, maxNstep = 5, maxSstep = 2, maxHalf = 60, use.svd = FALSE)
)

data <- read.csv("data.csv")
genes <- grep("^y", names(data), value = TRUE)
n <- nrow(data)

fit_gene <- function(cells, method, sp = NULL) {
  suppressWarnings(gam(y ~ s(t, bs = "ps", k = K, m = c(2, ORDER)), data = cells, weights = w, method = method, sp = sp,
                       knots = KNOTS, control = CONTROL))
}

# n D / (n - edf)^2, mgcv's GCV score, from the residuals of a fit
gcv_score <- function(fit) n * fit$deviance / (n - sum(fit$edf))^2

# Derivative of the criterion with respect to log(sp) at a fit with given sp.
# REML: the score profiled over the scale, D_p = deviance + sp b'Sb.  GCV: its logarithm.
gradient <- function(fit, method, cells) {
  smooth <- fit$smooth[[1]]
  own <- smooth$first.para:smooth$last.para
  S <- matrix(0, K, K)
  S[own, own] <- fit$given_sp * smooth$S[[1]]
  b <- coef(fit)
  if (method == "REML") {
    penalty <- drop(b %*% S %*% b)
    ((n - ORDER) * penalty / (fit$deviance + penalty) - (sum(fit$edf) - ORDER)) / 2
  } else {
    X <- model.matrix(fit)
    P <- chol2inv(chol(crossprod(X, cells$w * X) + S))
    PS <- P %*% S
    change_edf <- -sum(diag(PS %*% (diag(K) - PS)))
    pull <- drop(S %*% b)
    change_deviance <- 2 * drop(pull %*% P %*% pull)
    change_deviance / fit$deviance + 2 * change_edf / (n - sum(fit$edf))
  }
}

at <- function(log_sp, cells) {
  fit <- fit_gene(cells, "REML", exp(log_sp))      # given sp, coefficients, edf and scale do not depend on the method
  fit$given_sp <- exp(log_sp)
  fit
}

curve_of <- function(fit) predict(fit, GRID, type = "response", se.fit = TRUE)

write_gz <- function(frame, path) {
  frame[] <- lapply(frame, function(column) {
    if (is.double(column)) sub("^ +", "", formatC(column, digits = 15, format = "g", width = 1)) else column
  })
  connection <- gzfile(path, "wb", compression = 9)
  write.csv(frame, connection, row.names = FALSE, quote = FALSE)
  close(connection)
}

dir.create("results", showWarnings = FALSE)
rows <- list()
for (weights in c("fate", "unit")) {
  curves <- list(REML = list(t = GRID$t), GCV = list(t = GRID$t))
  for (gene in genes) {
    cells <- data.frame(t = data$t, y = data[[gene]], w = if (weights == "fate") data$w else rep(1, n))
    scan <- lapply(LOG_SP, at, cells = cells)
    for (method in c("REML", "GCV")) {
      scores <- vapply(scan, function(fit) if (method == "REML") fit$gcv.ubre[[1]] else gcv_score(fit), 0)
      slopes <- vapply(scan, gradient, 0, method = method, cells = cells)
      curved <- vapply(scan, function(fit) sum(fit$edf), 0) > ORDER + 1e-3  # beyond, a slope is rounding error
      best <- which.min(scores)
      last <- length(LOG_SP)
      at_infinity <- sum(scan[[best]]$edf) < ORDER + 1e-6  # a straight line: no finite optimum
      log_sp <- if (at_infinity) LOG_SP[last] else
        uniroot(function(x) gradient(at(x, cells), method, cells), LOG_SP[best + c(-1, 1)], tol = 1e-13)$root
      fit <- at(log_sp, cells)
      trend <- curve_of(fit)
      curves[[method]][[paste0("fit_", gene)]] <- as.numeric(trend$fit)
      curves[[method]][[paste0("se_", gene)]] <- as.numeric(trend$se.fit)

      free <- fit_gene(cells, if (method == "REML") "REML" else "GCV.Cp")
      test <- summary(fit)$s.table
      rows[[length(rows) + 1]] <- data.frame(
        gene = gene, method = method, weights = weights,
        edf = sum(fit$edf), edf_smooth = test[1, "edf"], ref_df = test[1, "Ref.df"],
        F = test[1, "F"], pvalue = test[1, "p-value"],
        scale = fit$sig2, deviance = fit$deviance, null_deviance = fit$null.deviance,
        deviance_explained = summary(fit)$dev.expl,
        score = if (method == "REML") fit$gcv.ubre[[1]] else gcv_score(fit),
        lambda = exp(log_sp) / fit$smooth[[1]]$S.scale, sp = exp(log_sp), at_infinity = at_infinity,
        gradient = if (at_infinity) NA_real_ else gradient(fit, method, cells),
        n_optima = sum(slopes[-last] < 0 & slopes[-1] >= 0 & curved[-last]) + (slopes[sum(curved)] < 0),
        free_sp = free$sp[[1]], free_edf = sum(free$edf), free_scale = free$sig2,
        free_converged = if (method == "REML") free$outer.info$conv == "full convergence" else
          isTRUE(free$mgcv.conv$fully.converged),
        free_gradient = if (method == "REML") max(abs(free$outer.info$grad)) else free$mgcv.conv$rms.grad,
        free_gap = max(abs(curve_of(free)$fit - trend$fit)) / sqrt(fit$sig2)
      )
    }
  }
  write_gz(as.data.frame(curves$REML), file.path("results", paste0("curves_reml_", weights, ".csv.gz")))
  write_gz(as.data.frame(curves$GCV), file.path("results", paste0("curves_gcv_", weights, ".csv.gz")))
}
table <- do.call(rbind, rows)
write_gz(table, file.path("results", "genes.csv.gz"))

# mgcv's design before its centring constraint: must be the plain B-splines on KNOTS.
smooth <- smooth.construct(s(t, bs = "ps", k = K, m = c(2, ORDER)), data["t"], KNOTS)
write_gz(data.frame(t = data$t, smooth$X), file.path("results", "design.csv.gz"))

writeLines(c(R.version.string, paste("mgcv", packageVersion("mgcv"))), file.path("results", "versions.txt"))
options(width = 200)
print(table[c("gene", "method", "weights", "edf", "sp", "at_infinity", "gradient", "n_optima",
              "free_sp", "free_converged", "free_gap")], digits = 4)
