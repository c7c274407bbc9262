require "virustest";
if virustest { keep; }
