-- `mym` out of Redis: what a team would write that puts its events into Redis and nginx with Lua in front.
--
-- Everything that can be done before is done before, by redis-values.py: an event is the JSON it will be sent as, behind
-- its sort key and its stage; a team is a sorted set by start, of members that carry the same key and stage, so a team's
-- events are chosen and ordered without being read. A request is two round trips, each one pipeline:
--   1. the requested events (MGET) and the first events of each team (ZRANGEBYSCORE);
--   2. the teams' events that are not there yet, and the header of each stage (one MGET).
-- Only where a team's first events were asked for by id too, that team is asked once more, for as many further ones.
--
--   e:SPORT:ID    key \1 stage \1 json       key: start, name, \0, id; sorts byte by byte
--   s:ID          key \1 json, not closed    key: known, positions, name, \0, id
--   t:SPORT:ID    sorted set: score start, member key \1 stage; only of the statuses that are shown for a team

local redis = require "nginx.redis"

local find, sub = string.find, string.sub
local sort, unpack = table.sort, unpack
local list_form = "^[A-Za-z0-9._:-]{1,64}(?:,[A-Za-z0-9._:-]{1,64})*$"
local per_team, remain_ms, events_max, teams_max, limit_max = 3, 12 * 3600 * 1000, 200, 50, 350

local address, after

local M = {}

function M.start(socket, now_ms)
    address = socket
    after = "(" .. string.format("%.0f", now_ms - remain_ms)
end

local function refuse(status, detail)
    ngx.status = status
    ngx.header.content_type = "application/problem+json"
    ngx.header.cache_control = "no-store"
    ngx.say('{"status":', status, ',"detail":"', detail, '"}')
    return ngx.exit(status)
end

-- A list of ids, or several: the ids, each once.
local function ids_of(value, most, name)
    local ids, seen, count = {}, {}, 0
    if not value then return ids, seen end
    if type(value) ~= "table" then value = { value } end
    for index = 1, #value do
        local text = value[index]
        if type(text) ~= "string" or not ngx.re.find(text, list_form, "jo") then
            return refuse(400, name .. " has a malformed id")
        end
        local from = 1
        repeat
            local comma = find(text, ",", from, true)
            local id = sub(text, from, comma and comma - 1)
            if not seen[id] then
                count = count + 1
                seen[id], ids[count] = true, id
            end
            from = comma and comma + 1
        until not from
    end
    if count > most then return refuse(400, name .. " has too many ids") end
    return ids, seen
end

local function number_of(value, least, most, default, name)
    if not value then return default end
    local number = type(value) == "string" and ngx.re.find(value, "^[0-9]{1,9}$", "jo") and tonumber(value)
    if not number or number < least or number > most then return refuse(400, name .. " is no such number") end
    return number
end

local function by_key(left, right) return left.key < right.key end

-- The id at the end of a key.
local function id_of(key)
    local zero = find(key, "\0", 1, true)
    return sub(key, zero + 1)
end

local function connect()
    local connection = redis:new()
    connection:set_timeout(1000)
    local ok, problem = connection:connect(address)
    if not ok then return refuse(503, "redis: " .. problem) end
    return connection
end

local function check(replies, problem)
    if not replies then return refuse(503, "redis: " .. problem) end
    return replies
end

-- Adds the events of a team that were not asked for by id, at most `per_team`.
local function choose(members, seen, chosen, wanted)
    local kept, skipped = 0, 0
    for index = 1, #members do
        local member = members[index]
        local gap = find(member, "\1", 1, true)
        local key = sub(member, 1, gap - 1)
        local id = id_of(key)
        if seen[id] then
            skipped = skipped + 1
        elseif kept < per_team then
            kept = kept + 1
            if not chosen[id] then
                local event = { key = key, stage = sub(member, gap + 1), id = id }
                chosen[id] = event
                wanted[#wanted + 1] = event
            end
        end
    end
    return skipped
end

local function ask_first(connection, sport, event_ids, team_ids, more)
    connection:init_pipeline(1 + #team_ids)
    if #event_ids > 0 then
        local keys = {}
        for index = 1, #event_ids do keys[index] = "e:" .. sport .. ":" .. event_ids[index] end
        connection:mget(unpack(keys))
    end
    for index = 1, #team_ids do
        connection:zrangebyscore("t:" .. sport .. ":" .. team_ids[index], after, "+inf", "LIMIT", 0, per_team + more)
    end
    return check(connection:commit_pipeline())
end

-- The union of requested and team events; those of the teams are without JSON yet.
local function select_events(connection, sport, event_ids, seen, team_ids)
    local events, wanted = {}, {}
    local replies = ask_first(connection, sport, event_ids, team_ids, 0)
    local first_team = 1
    if #event_ids > 0 then
        first_team = 2
        local values = replies[1]
        for index = 1, #values do
            local value = values[index]
            if value ~= ngx.null then
                local gap = find(value, "\1", 1, true)
                local next_gap = find(value, "\1", gap + 1, true)
                events[#events + 1] = {
                    key = sub(value, 1, gap - 1), stage = sub(value, gap + 1, next_gap - 1),
                    json = sub(value, next_gap + 1),
                }
            end
        end
    end
    local chosen, again = {}, {}
    for index = 1, #team_ids do
        local members = replies[first_team + index - 1]
        -- A full list of which some fall away may go on.
        if choose(members, seen, chosen, wanted) > 0 and #members == per_team then again[#again + 1] = team_ids[index] end
    end
    if #again > 0 then
        replies = ask_first(connection, sport, {}, again, #event_ids)
        for index = 1, #again do choose(replies[index], seen, chosen, wanted) end
    end
    return events, wanted
end

-- The JSON of the teams' events, and the stages of all, by id.
local function load_rest(connection, sport, events, wanted)
    local keys, stages, order = {}, {}, {}
    for index = 1, #wanted do keys[index] = "e:" .. sport .. ":" .. wanted[index].id end
    local function need(stage)
        if stages[stage] then return end
        stages[stage] = {}
        order[#order + 1] = stage
        keys[#keys + 1] = "s:" .. stage
    end
    for index = 1, #events do need(events[index].stage) end
    for index = 1, #wanted do need(wanted[index].stage) end
    if #keys == 0 then return stages end
    local values = check(connection:mget(unpack(keys)))
    for index = 1, #wanted do
        local value, event = values[index], wanted[index]
        if value ~= ngx.null then
            -- The member told the key and stage; both stand in front of the JSON again.
            event.json = sub(value, #event.key + #event.stage + 3)
            events[#events + 1] = event
        end
    end
    for index = 1, #order do
        local id, value, stage = order[index], values[#wanted + index], stages[order[index]]
        if value == ngx.null then
            stage.key, stage.json = "1" .. id, '{"id":"' .. id .. '"'
        else
            local gap = find(value, "\1", 1, true)
            stage.key, stage.json = sub(value, 1, gap - 1), sub(value, gap + 1)
        end
    end
    return stages
end

-- The events of the page, in order, under their stages, in order.
local function group(events, stages, offset, limit)
    local order = {}
    for index = offset + 1, math.min(#events, offset + limit) do
        local event = events[index]
        local stage = stages[event.stage]
        if not stage.events then
            stage.events = {}
            order[#order + 1] = stage
        end
        stage.events[#stage.events + 1] = event.json
    end
    sort(order, by_key)
    return order
end

local function write(sport, total, offset, limit, order)
    local pieces, count, length = {}, 0, 0
    local function add(text)
        count = count + 1
        pieces[count] = text
        length = length + #text
    end
    add('{"sport":"' .. sport .. '","total":' .. total .. ',"offset":' .. offset .. ',"limit":' .. limit .. ',"stages":[')
    for index = 1, #order do
        if index > 1 then add(",") end
        local stage = order[index]
        add(stage.json)
        add(',"events":[')
        for place = 1, #stage.events do
            if place > 1 then add(",") end
            add(stage.events[place])
        end
        add("]}")
    end
    add("]}")
    local header = ngx.header
    header["Content-Length"] = length
    header["Cache-Control"] = "public, max-age=10"
    header["Access-Control-Allow-Origin"] = "*"
    ngx.print(pieces)
end

function M.answer()
    local sport = ngx.var.sport
    local arguments = ngx.req.get_uri_args()
    local event_ids, seen = ids_of(arguments.eventIds, events_max, "eventIds")
    local team_ids = ids_of(arguments.teamIds, teams_max, "teamIds")
    local limit = number_of(arguments.limit, 1, limit_max, limit_max, "limit")
    local offset = number_of(arguments.offset, 0, 999999999, 0, "offset")
    if #event_ids + #team_ids == 0 then return refuse(400, "neither eventIds nor teamIds") end

    local connection = connect()
    local events, wanted = select_events(connection, sport, event_ids, seen, team_ids)
    local stages = load_rest(connection, sport, events, wanted)
    connection:set_keepalive(60000, 256)
    sort(events, by_key)
    write(sport, #events, offset, limit, group(events, stages, offset, limit))
end

return M
