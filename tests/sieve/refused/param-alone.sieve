require ["foreverypart", "mime", "extracttext", "variables"];
if header :mime :param { keep; }
