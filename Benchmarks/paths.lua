-- wrk's script: the requests of the file that PATHS names, one path a line, in order, again and again. They are formatted
-- once, so that the generator stays light.
local requests, next_one = {}, 0

function init()
    for path in io.lines(os.getenv("PATHS")) do requests[#requests + 1] = wrk.format("GET", path) end
end

function request()
    next_one = next_one % #requests + 1
    return requests[next_one]
end
