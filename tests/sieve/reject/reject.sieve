require "reject";
reject "not wanted here";
