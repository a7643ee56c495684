-- Sends the requests of a file, one after the other, and counts the answers that are not as expected.
-- Arguments: the file, of requests as they go over the wire, each after its length in digits and a line feed; the least
-- and the most bytes that the body of a right answer has. Writes what came of it to standard error, as JSON.

local requests, following = {}, 0
local threads = {}
wrong = 0

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    for length in function() return file:read("*l") end do
        table.insert(requests, file:read(tonumber(length)))
    end
    file:close()
    least, most = tonumber(args[2]), tonumber(args[3])
end

function request()
    following = following % #requests + 1
    return requests[following]
end

function response(status, _, body)
    if status ~= 200 or #body < least or #body > most then
        wrong = wrong + 1
    end
end

function done(summary, latency, _)
    local errors = summary.errors
    local bad = errors.connect + errors.read + errors.write + errors.timeout
    for _, thread in ipairs(threads) do
        bad = bad + thread:get("wrong")
    end
    io.stderr:write(string.format('{"answers": %d, "bad": %d, "seconds": %f, "p50_ms": %f}\n',
        summary.requests, bad, summary.duration / 1e6, latency:percentile(50) / 1e3))
end
