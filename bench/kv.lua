-- SPDX-License-Identifier: GPL-2.0
-- What wrk asks of the key-value servers: wrk -s kv.lua URL -- PUTS, of a hundred requests.
local KEYS, VALUE = 1000, string.rep("v", 90) .. "%010d"
local gets, puts, puts_of_100, written = {}, {}, 0, 0

function init(args)
	puts_of_100 = tonumber(args[1])
	for i = 1, KEYS do
		gets[i] = wrk.format("GET", "/key" .. i)
		-- All but the value, which is new each time: SQLite writes none that is there already.
		puts[i] = wrk.format("PUT", "/key" .. i, nil, VALUE:format(0)):sub(1, -101)
	end
end

function request()
	local key = math.random(KEYS)
	if math.random(100) > puts_of_100 then
		return gets[key]
	end
	written = written + 1
	return puts[key] .. VALUE:format(written)
end
