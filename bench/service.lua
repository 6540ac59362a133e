-- Payments of known accounts for wrk, each with an id of its own. Arguments: entities, connections, rate a
-- second (0: as fast as it is answered), token, what to send ("decide" or "refused"), tenant, accounts that pay from their
-- own devices (0: all, from any).
local counter = 0
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  entities, connections, rate = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  what, active = args[5], tonumber(args[7])
  math.randomseed(os.time() + id * 7919)
  headers = {
    ["Content-Type"] = "application/json",
    ["X-Tenant-Id"] = args[6],
    ["Authorization"] = "Bearer " .. args[4],
  }
  run = string.format("%x-%d", os.time(), id)
end

-- Each connection waits a drawn time before each request: with many connections that are mostly waiting,
-- requests come at the wanted rate whether or not earlier ones were answered.
function delay()
  if rate == 0 then return 0 end
  return math.floor(-math.log(1 - math.random()) * 1000 * connections / rate)
end

function request()
  if what == "refused" then
    return wrk.format("POST", "/v1/decisions", headers, "{}")
  end
  counter = counter + 1
  local at = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local account, device = math.random(math.floor(entities * 0.6)), math.random(math.floor(entities * 0.35))
  if active > 0 then
    account = math.random(active)
    device = account % math.floor(entities * 0.35) + 1
  end
  local body = string.format(
    '{"event_id":"%s-%d","event_type":"payment","event_timestamp":"%s","account":"a%d","merchant":"m%d","device":"d%d","amount":%d.50}',
    run, counter, at, account, math.random(entities * 0.05), device, math.random(1, 400))
  return wrk.format("POST", "/v1/decisions", headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"not_2xx":%d,"broken":%d,"p50_ms":%f,"p99_ms":%f,"p999_ms":%f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency:percentile(99.9) / 1000))
end
