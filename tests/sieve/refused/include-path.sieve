require "include";
include "../sends";
