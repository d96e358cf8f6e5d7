"""Conditions between donors by statsmodels, for `tests/models/gam/conditions/test_fit_golden.py`.

Run with numpy and statsmodels: `python make_golden.py`. It writes `statsmodels.json`: linear mixed models by REML of lines in
two conditions, `y ~ condition * (time - mean)`, with a random level of every donor, in a paired design also
of every sample (a variance component within donors).
"""

import json
import warnings
from pathlib import Path

import pandas as pd
import statsmodels
import statsmodels.formula.api as smf
from golden_data import data


def main():
    found = {"statsmodels": statsmodels.__version__}
    for paired in (False, True):
        donor, condition, time, Y = data(paired)
        rows = []
        for y in Y.T:
            frame = pd.DataFrame({"y": y, "t": time - time.mean(), "c": condition, "donor": donor})
            parts = {"sample": "0 + C(c)"} if paired else None
            model = smf.mixedlm("y ~ c * t", frame, groups="donor", re_formula="1", vc_formula=parts)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fits = [model.fit(reml=True, method=method) for method in (["bfgs"], ["cg"], ["powell"], ["nm"])]
            # some runs end at coefficients of zero with a likelihood that no such fit has
            fit = max((one for one in fits if one.converged and one.scale > 0.1), key=lambda one: one.llf)
            rows.append({
                "coefficients": fit.fe_params.tolist(), "covariance": fit.cov_params().iloc[:4, :4].to_numpy().tolist(),
                "scale": fit.scale, "of_donors": float(fit.cov_re.iloc[0, 0]) / fit.scale,
                "of_samples": float(fit.vcomp[0]) / fit.scale if paired else 0.0, "likelihood": fit.llf,
            })  # fmt: skip
        found["paired" if paired else "between"] = rows
    Path(__file__).with_name("statsmodels.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
