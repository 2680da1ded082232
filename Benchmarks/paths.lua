-- wrk's script: the requests of the file that PATHS names, one a line, in order, again and again; behind a tab may stand a
-- header, `Name: value`. They are formatted once, so that the generator stays light.
local requests, next_one = {}, 0

function init()
    for line in io.lines(os.getenv("PATHS")) do
        local path, header = line:match("^([^\t]*)\t?(.*)$")
        local headers = {}
        if header ~= "" then
            local name, value = header:match("^([^:]*): (.*)$")
            headers[name] = value
        end
        requests[#requests + 1] = wrk.format("GET", path, headers)
    end
end

function request()
    next_one = next_one % #requests + 1
    return requests[next_one]
end
