<% if (request.getQueryString() != null) Thread.sleep(1000); %>ok
