"""Times LightGBM's single-row predictor and prints a row of the Rust benchmark's table.

usage: lightgbm_single_row.py MODEL ROWS NAME ROUNDS   (ROWS: little-endian f32, row-major)
The C library is called through ctypes with everything prepared; what a call through ctypes itself costs
is measured with a function that does nothing and is named in the table.
"""
import ctypes
import os
import sys
import time

import lightgbm
import numpy

C_API_DTYPE_FLOAT32 = 0
C_API_PREDICT_RAW_SCORE = 1


def library():
    home = os.path.dirname(lightgbm.__file__)
    for name in ("lib/lib_lightgbm.so", "lib_lightgbm.so"):
        if os.path.exists(os.path.join(home, name)):
            return ctypes.CDLL(os.path.join(home, name))
    raise SystemExit(f"no lib_lightgbm.so in {home}")


def check(lib, code):
    if code != 0:
        lib.LGBM_GetLastError.restype = ctypes.c_char_p
        raise SystemExit(lib.LGBM_GetLastError().decode())


def main():
    model, rows, name, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    lib = library()
    booster, iterations = ctypes.c_void_p(), ctypes.c_int()
    check(lib, lib.LGBM_BoosterCreateFromModelfile(
        model.encode(), ctypes.byref(iterations), ctypes.byref(booster)))
    features = lightgbm.Booster(model_file=model).num_feature()
    values = numpy.fromfile(rows, dtype="<f4").reshape(-1, features)
    config = ctypes.c_void_p()
    check(lib, lib.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster, C_API_PREDICT_RAW_SCORE, 0, -1, C_API_DTYPE_FLOAT32, features,
        b"num_threads=1", ctypes.byref(config)))
    length, out = ctypes.c_int64(), ctypes.c_double()
    predict = lib.LGBM_BoosterPredictForMatSingleRowFast
    pointers = [ctypes.c_void_p(row.ctypes.data) for row in values]
    p_length, p_out = ctypes.byref(length), ctypes.byref(out)

    # The same scores as the model's own predictions, or the time means nothing.
    wanted = lightgbm.Booster(model_file=model).predict(values[:50], raw_score=True, num_threads=1)
    for pointer, score in zip(pointers[:50], wanted):
        check(lib, predict(config, pointer, p_length, p_out))
        assert abs(out.value - score) < 1e-9, (out.value, score)

    nothing = ctypes.CDLL(None).abs
    each, idle = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for pointer in pointers:
            predict(config, pointer, p_length, p_out)
        each.append((time.perf_counter() - start) * 1e6 / len(pointers))
        start = time.perf_counter()
        for _ in pointers:
            nothing(0)
        idle.append((time.perf_counter() - start) * 1e6 / len(pointers))
    each.sort()
    idle.sort()
    print(f"{name:<12} {'lightgbm':<12} {each[len(each) // 2]:>10.2f} {each[0]:>10.2f}"
          f"   of it ctypes at least {idle[0]:.2f}")


main()
