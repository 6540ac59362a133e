"""The service a user would otherwise put together: FastAPI, LightGBM, counters in Redis.

It answers the same request as POST /v1/decisions: counts events and amounts of the account, its device and its
merchant over an hour and a day in Redis, builds a feature row, scores it with the LightGBM model given in
PEER_MODEL, and applies two thresholds. No token, no tenant, no idempotency, nothing durable.
Run by bench/service.py under uvicorn.
"""
import os
import time

import lightgbm
import numpy
import redis.asyncio as redis
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
booster = lightgbm.Booster(model_file=os.environ["PEER_MODEL"])
width = booster.num_feature()
store = redis.Redis(port=int(os.environ["PEER_REDIS"]))


class Event(BaseModel):
    event_id: str
    event_type: str
    event_timestamp: str
    account: str
    merchant: str | None = None
    device: str | None = None
    amount: float


@app.post("/v1/decisions")
async def decide(event: Event):
    now = int(time.time())
    keys = []
    pipe = store.pipeline(transaction=False)
    for kind in ("account", "merchant", "device"):
        name = getattr(event, kind)
        for window in (3600, 86400):
            key = f"{kind}:{name}:{window}:{now // window}"
            keys.append(key)
            pipe.hincrby(key, "count", 1)
            pipe.hincrbyfloat(key, "amount", event.amount)
            pipe.expire(key, 2 * window)
    answers = await pipe.execute()
    row = numpy.full((1, width), numpy.nan, dtype=numpy.float32)
    row[0, 0] = event.amount
    for at in range(len(keys)):
        row[0, 1 + 2 * at] = answers[3 * at]
        row[0, 2 + 2 * at] = float(answers[3 * at + 1])
    probability = float(booster.predict(row, num_threads=1)[0])
    score = int(1000 * probability)
    decision = "decline" if score >= 900 else "review" if score >= 700 else "approve"
    return {"event_id": event.event_id, "decision": decision, "score": score, "probability": probability}
