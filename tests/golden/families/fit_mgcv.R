# Fit every gene of data.csv.gz with mgcv and write results/: README.md explains the columns.
# Run from this folder: Rscript fit_mgcv.R   (three minutes)

suppressMessages(library(mgcv))

K <- 10                                   # basis functions
ORDER <- 2                                # of the difference penalty
KNOTS <- list(t = (-3:10) / 7)            # uniform cubic B-spline knots whose domain is exactly [0, 1]
GRID <- data.frame(t = seq(0, 1, length.out = 50), off = 0)
LOG_SP <- seq(log(1e-3), log(1e9), length.out = 15)
CONTROL <- gam.control(
  epsilon = 1e-11, maxit = 500,
  newton = list(conv.tol = 1e-9, maxNstep = 5, maxSstep = 2, maxHalf = 60, use.svd = FALSE)
)
# Functions, as nb() keeps its theta in an environment that all fits with one object would share and overwrite.
FAMILIES <- list(nb = nb, poisson = poisson, gamma = function() Gamma(link = "log"), binomial = binomial,
                 inverse_gaussian = function() inverse.gaussian(link = "log"))

data <- read.csv("data.csv.gz")
genes <- read.csv("genes.csv")
n <- nrow(data)

fit_gene <- function(cells, family, sp = NULL, start = NULL) {
  suppressWarnings(gam(y ~ s(t, bs = "ps", k = K, m = c(2, ORDER)) + offset(off), data = cells, family = family(),
                       weights = w, method = "REML", sp = sp, in.out = start, knots = KNOTS, control = CONTROL))
}

score_at <- function(log_sp, cells, family)
  tryCatch(fit_gene(cells, family, sp = exp(log_sp))$gcv.ubre[[1]], error = function(e) NA)

write_gz <- function(frame, path) {
  frame[] <- lapply(frame, function(column) {
    if (is.double(column)) sub("^ +", "", formatC(column, digits = 12, format = "g", width = 1)) else column
  })
  connection <- gzfile(path, "wb", compression = 9)
  write.csv(frame, connection, row.names = FALSE, quote = FALSE)
  close(connection)
}

dir.create("results", showWarnings = FALSE)
rows <- list()
for (name in names(FAMILIES)) {
  family <- FAMILIES[[name]]
  for (setting in if (name == "inverse_gaussian") "unit" else c("unit", "fate")) {
    curves <- list(t = GRID$t)
    for (gene in genes$gene[genes$family == name]) {
      cells <- data.frame(t = data$t, y = data[[gene]],
                          w = if (setting == "fate") data$w else 1, off = if (setting == "fate") data$offset else 0)
      fit <- fit_gene(cells, family)

      # mgcv keeps the first local optimum it meets: look for a better one
      scores <- vapply(LOG_SP, score_at, 0, cells = cells, family = family)
      restarted <- min(scores, na.rm = TRUE) < fit$gcv.ubre[[1]] - 1e-6
      if (restarted) {
        start <- list(sp = exp(LOG_SP[which.min(scores)]), scale = fit$sig2)
        again <- fit_gene(cells, family, start = start)
        if (again$gcv.ubre[[1]] < fit$gcv.ubre[[1]]) fit <- again
      }

      link <- predict(fit, GRID, type = "link", se.fit = TRUE)
      curves[[paste0("link_", gene)]] <- as.numeric(link$fit)
      curves[[paste0("se_", gene)]] <- as.numeric(link$se.fit)
      curves[[paste0("response_", gene)]] <- as.numeric(predict(fit, GRID, type = "response"))

      smooth <- fit$smooth[[1]]
      test <- summary(fit)$s.table
      rows[[length(rows) + 1]] <- data.frame(
        gene = gene, family = name, weights = setting,
        edf = sum(fit$edf), edf_smooth = test[1, "edf"], ref_df = test[1, "Ref.df"],
        statistic = test[1, 3], statistic_kind = sub(".", "", colnames(test)[3], fixed = TRUE),
        pvalue = test[1, "p-value"],
        scale = fit$sig2, reml_scale = if (fit$scale.estimated) fit$reml.scale else 1,
        theta = if (name == "nb") fit$family$getTheta(TRUE) else NA,
        deviance = fit$deviance, null_deviance = fit$null.deviance, deviance_explained = summary(fit)$dev.expl,
        score = fit$gcv.ubre[[1]], lambda = fit$sp[[1]] / smooth$S.scale, sp = fit$sp[[1]],
        at_infinity = sum(fit$edf) < ORDER + 1e-2,
        converged = isTRUE(fit$converged) && fit$outer.info$conv == "full convergence",
        gradient = max(abs(fit$outer.info$grad)), message = gsub(",", ";", fit$outer.info$conv),
        restarted = restarted, best_scan = min(scores, na.rm = TRUE) - fit$gcv.ubre[[1]]
      )
    }
    write_gz(as.data.frame(curves), file.path("results", paste0("curves_", name, "_", setting, ".csv.gz")))
    cat(name, setting, format(Sys.time()), "\n")
  }
}
table <- do.call(rbind, rows)
write_gz(table, file.path("results", "genes.csv.gz"))
writeLines(c(R.version.string, paste("mgcv", packageVersion("mgcv"))), file.path("results", "versions.txt"))
options(width = 220)
print(table[c("gene", "weights", "edf", "scale", "theta", "sp", "at_infinity", "converged", "gradient", "message",
              "restarted", "best_scan")], digits = 4)
