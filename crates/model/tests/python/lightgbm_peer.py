"""The Python side of the LightGBM test.

usage: lightgbm_peer.py train DIR ROWS FEATURES    trains models on DIR/{values.f32,labels.u8}
       lightgbm_peer.py predict DIR ROWS FEATURES  loads DIR/ours.txt
Both write raw scores as NAME.raw and contributions as NAME.contrib (little-endian doubles).
"""
import sys

import lightgbm
import numpy

BASE = dict(verbose=-1, num_threads=1, seed=1, deterministic=True, min_data_in_leaf=5)
SERVED = {
    "nan": dict(objective="binary", num_leaves=31),
    "zero_missing": dict(objective="binary", num_leaves=15, zero_as_missing=True),
    "no_missing": dict(objective="binary", num_leaves=15, use_missing=False),
    "large": dict(objective="binary", num_leaves=100, min_data_in_leaf=1, bagging_freq=1,
                  bagging_fraction=0.7, scale_pos_weight=3),
}
REFUSED = {
    "regression": dict(objective="regression", num_leaves=7),
    "forest": dict(objective="binary", num_leaves=7, boosting="rf", bagging_freq=1,
                   bagging_fraction=0.5),
    "linear": dict(objective="binary", num_leaves=7, linear_tree=True),
    "multiclass": dict(objective="multiclass", num_class=2, num_leaves=7),
    "sigmoid": dict(objective="binary", sigmoid=0.5, num_leaves=7),
}


def explain(booster, values, path):
    booster.predict(values, raw_score=True).astype("<f8").tofile(f"{path}.raw")
    booster.predict(values[:200], pred_contrib=True).astype("<f8").tofile(f"{path}.contrib")


def main():
    command, directory = sys.argv[1:3]
    rows, features = int(sys.argv[3]), int(sys.argv[4])
    values = numpy.fromfile(f"{directory}/values.f32", dtype="<f4").reshape(rows, features)
    if command == "predict":
        explain(lightgbm.Booster(model_file=f"{directory}/ours.txt"), values, f"{directory}/ours")
        return
    labels = numpy.fromfile(f"{directory}/labels.u8", dtype="u1")
    for name, params in (SERVED | REFUSED).items():
        booster = lightgbm.train(BASE | params, lightgbm.Dataset(values, labels, params=BASE | params), 40)
        booster.save_model(f"{directory}/{name}.txt")
        if name in SERVED:
            explain(booster, values, f"{directory}/{name}")
    whole = numpy.abs(numpy.nan_to_num(numpy.round(values)))
    data = lightgbm.Dataset(whole, labels, categorical_feature=[0])
    params = BASE | dict(objective="binary", num_leaves=7, min_data_per_group=1, cat_smooth=1)
    lightgbm.train(params, data, 5).save_model(f"{directory}/categorical.txt")


main()
